"""A model plugin for the tests of ``serve``; installed by them into a folder of their own."""
