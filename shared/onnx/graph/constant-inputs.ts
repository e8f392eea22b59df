import type { Model } from "../model/codec.js";

/** First IR version in which an initializer need not be listed among the graph's inputs. */
const SEPARATE_INITIALIZERS_IR_VERSION = 4n;

/**
 * Removes initializers from the graph's inputs, in place. IR version 3 lists all of them there; in later
 * versions a listed one is a default that the caller may replace, which a quantized weight does not allow.
 */
export function makeInitializersConstant(model: Model): void {
  const { graph } = model;
  const initializers = new Set(graph.initializer.map(({ name }) => name));
  graph.input = graph.input.filter(({ name }) => !initializers.has(name));
  if (model.irVersion < SEPARATE_INITIALIZERS_IR_VERSION) model.irVersion = SEPARATE_INITIALIZERS_IR_VERSION;
}
