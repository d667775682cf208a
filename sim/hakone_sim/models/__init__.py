"""Golden models, independent of the hardware: they import ``hakone.isa`` at most."""
