"""Operations, and the only evaluator: a base image and a list of operations become an image."""
