/** Gradients of ONNX graphs with respect to their inputs, as graphs. */

export { DIFFERENTIABLE, GRADIENT, type GradientOptions, inputGradient, SEED, seedOf } from './input-gradient.ts'
