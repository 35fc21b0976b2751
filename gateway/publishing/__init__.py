"""What the home says over MQTT."""
