"""MQTT: which broker, as whom, how encrypted, and a connection to it that lasts."""
