"""Parts shared by hosts and plugins."""
