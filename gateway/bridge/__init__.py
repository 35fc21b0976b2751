"""What has no Modbus: read over HTTP and MQTT in a process of its own, and handed to the guard as a Modbus meter.

It only reads. The guard asks it as it asks any device, on this machine's own address; what it does not know any more it
says so, and when it dies it is a device that is lost (docs/decisions/0014).
"""
