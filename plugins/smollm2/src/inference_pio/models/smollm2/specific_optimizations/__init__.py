"""x"""
OPTIMIZATIONS = ()
