"""One photo against many: ranks, open-set rates, distractors, and what the service's vector engine loses of them."""
