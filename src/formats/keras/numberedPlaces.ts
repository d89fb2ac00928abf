/**
 * Where the archives of Keras 2.12 to 3 keep each layer's variables: in groups that are called by class and count
 * (conv2d, conv2d_1, …), or by the layer's own name.
 */
import { type LayerCall, MODEL_CLASSES, readTopology } from "./topology.ts";

/** What a model calls the group of its layers: Keras 3, and Keras 2.12 and 2.13. */
const CONTAINERS = ["layers", "_layer_checkpoint_dependencies"] as const;

/**
 * @param model `{class_name, config}`, whose order of layers the counts follow.
 * @param groups What stands for each group that holds variables, by the group's path.
 * @returns What stands for the group of each layer that has variables, by the layer's path ("backbone/conv").
 */
export function numberedPlaces(model: unknown, groups: ReadonlyMap<string, string>): Map<string, string> {
  const found = new Map<string, string>();
  place(model, { path: [], prefix: "" }, groups, found);
  return found;
}

function place(
  model: unknown,
  outer: { path: readonly string[]; prefix: string },
  groups: ReadonlyMap<string, string>,
  found: Map<string, string>,
): void {
  const { layers } = readTopology(model);
  for (const container of CONTAINERS) {
    const prefix = `${outer.prefix}${container}/`;
    const inside = new Set(
      [...groups.keys()]
        .filter((key) => key.startsWith(prefix))
        .map((key) => key.slice(prefix.length).split("/")[0]!),
    );
    if (inside.size === 0) continue;
    const names = container === "layers" ? countedNames(layers, inside) : dependencyNames(layers, inside);
    for (const { name, className, config } of layers) {
      const own = names.get(name);
      if (own === undefined) continue;
      const path = [...outer.path, name];
      const vars = groups.get(`${prefix}${own}`);
      if (vars !== undefined) found.set(path.join("/"), vars);
      if (MODEL_CLASSES.includes(className)) {
        place({ class_name: className, config }, { path, prefix: `${prefix}${own}/` }, groups, found);
      }
    }
  }
}

/** Keras 3 counts all layers of a class, or calls groups by their layers. */
function countedNames(layers: readonly LayerCall[], inside: ReadonlySet<string>): Map<string, string> {
  const counts = new Map<string, number>();
  return new Map(
    layers.map(({ name, className }) => {
      const snake = snakeCase(className);
      const count = counts.get(snake) ?? 0;
      counts.set(snake, count + 1);
      const counted = count === 0 ? snake : `${snake}_${count}`;
      return [name, inside.has(counted) || !inside.has(name) ? counted : name];
    }),
  );
}

/**
 * Keras 2 meets a layer with weights twice, as "layer" and as "layer_with_weights", and keeps it the first time: dense,
 * dense_2, dense_4. Layers of a class have weights all or none, so that the groups of a class follow its layers.
 */
function dependencyNames(layers: readonly LayerCall[], inside: ReadonlySet<string>): Map<string, string> {
  const names = new Map<string, string>();
  for (const snake of new Set(layers.map(({ className }) => snakeCase(className)))) {
    const numbered = [...inside].flatMap((group) => {
      const number =
        group === snake ? "0" : group.startsWith(`${snake}_`) ? group.slice(snake.length + 1) : "";
      return /^\d+$/.test(number) ? [{ group, number: Number(number) }] : [];
    });
    numbered.sort((a, b) => a.number - b.number);
    layers
      .filter(({ className }) => snakeCase(className) === snake)
      .forEach(({ name }, index) => {
        const own = numbered[index];
        if (own) names.set(name, own.group);
      });
  }
  return names;
}

/** "BatchNormalization" → "batch_normalization", "Conv2D" → "conv2d", as Keras does. */
function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, "")
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}
