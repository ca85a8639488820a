"""Work that goes on after its request was answered: planned, done item by item, resumed after anything."""
