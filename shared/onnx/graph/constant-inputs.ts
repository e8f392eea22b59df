import type { Model } from "../model/codec.js";

/** From this IR version on an initializer need not be listed among the graph's inputs. */
const INITIALIZERS_APART = 4n;

/**
 * Takes initializers off the list of inputs, in place: IR version 3 lists them there, and later versions mean defaults
 * that a caller may replace. A weight that is quantized cannot be replaced.
 */
export function makeInitializersConstant(model: Model): void {
  const { graph } = model;
  const initializers = new Set(graph.initializer.map(({ name }) => name));
  graph.input = graph.input.filter(({ name }) => !initializers.has(name));
  if (model.irVersion < INITIALIZERS_APART) model.irVersion = INITIALIZERS_APART;
}
