"""SunSpec devices: from the chain of models to readings and controls."""
