"""The made-up databases that are copied, each the same for a seed and a size."""
