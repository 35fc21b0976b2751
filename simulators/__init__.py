"""Everything but hardware: a simulated home, its devices, the exchange and its participants."""
