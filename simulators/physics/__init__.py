"""The simulated home's physics: house, people, weather and car; pure but for `home`, which has a clock."""
