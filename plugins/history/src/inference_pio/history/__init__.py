"""A history of runs and chats in SQLite, kept and read through public hooks only.

``hooks`` is what the host calls. ``recording`` and ``writer_thread`` take a generation that has ended to the file, with
``records``, ``conversations`` and ``writing``. ``database``, ``schema`` and ``search_index`` are about the file;
``reading``, ``exporting``, ``retention``, ``preferences`` and ``health`` are what ``inference-pio logs`` is made of.
"""
