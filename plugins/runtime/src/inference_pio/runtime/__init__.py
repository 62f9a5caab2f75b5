"""What inference-pio's model plugins share: layers, caches, weights, tokenizers, sampling, the engine.

Tensor letters, used in every docstring below this package: B sequences, M tokens of a batch (any mix of sequences),
T new tokens of one sequence, S cached and new tokens, H query heads, K key/value heads, G = H / K query heads that
share one key head, C head width, D model width, F MLP width, V vocabulary, N cache slots, W sliding window.

Importing this package imports neither torch nor transformers; the modules that need torch say so.
"""
