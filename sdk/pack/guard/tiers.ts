/** Detectors that need passes of their own: each is a graph that takes the model's input and its logits. */
