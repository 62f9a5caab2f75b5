"""One module a command: its name is the command's, and its ``command`` is the click command.

``app`` finds them by looking into this folder and imports one when it is asked for. A module imports at its top only
what its ``--help`` needs.
"""
