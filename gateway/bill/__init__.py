"""The retailer's bill as an account of its own: what the meter counted at what the tariff says, exact. Pure."""
