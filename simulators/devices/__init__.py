"""Modbus servers in front of the simulated home, built from the data sheets again."""
