"""One against another on the same terms: two packs on one set, or one pack on photos of before and after."""
