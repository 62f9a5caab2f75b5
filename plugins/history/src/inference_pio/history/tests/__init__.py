"""Ships with the plugin: ``inference-pio test history`` runs it where it is installed."""
