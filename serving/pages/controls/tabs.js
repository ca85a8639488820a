// A row of tabs by the usual keys: arrows, Home and End move; the panel of the chosen tab is shown.

/** `onChange(id)` is told which tab was chosen. */
export function tabs(row, onChange = () => {}) {
  const all = [...row.querySelectorAll("[role=tab]")];

  const choose = (chosen) => {
    for (const tab of all) {
      const mine = tab === chosen;
      tab.setAttribute("aria-selected", mine);
      tab.tabIndex = mine ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !mine;
    }
    onChange(chosen.id);
  };

  row.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) choose(tab);
  });
  row.addEventListener("keydown", (event) => {
    const at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = all[to % all.length];
    tab.focus();
    choose(tab);
  });
}
