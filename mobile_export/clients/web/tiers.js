// What a bundle says of its tiers, and which stages lead to which exit.

import { InputError } from "./bundle.js";

/**
 * Every tier of a bundle, lightest first as the metadata lists them; in the file's order without.
 *
 * @param {{name: string, metadata: ?object}} bundle as `readBundle` gives it
 * @param {Object<string, {inputs: object, outputs: object}>} signatures by name; each tensor is `{dtype, shape}`
 * @returns {object[]} name, signature, inputSize and maskSize `[height, width]`, configuration, exit (null
 *   for the final one), stages, threshold (0-1 or null) and figures, the tier's entry in the metadata
 * @throws {InputError} the model is no segmentation bundle, or lacks what its metadata lists
 */
export function readTiers(bundle, signatures) {
  const usable = Object.keys(signatures).filter((key) => isTier(signatures[key]));
  if (usable.length === 0) {
    throw new InputError(
      `${bundle.name} is not a segmentation bundle: expected a signature per tier, image in, mask and ` +
        `confidence out; got ${Object.keys(signatures).join(", ") || "no signature"}.`,
    );
  }
  for (const key of usable) {
    const fault = faultOf(signatures[key]);
    if (fault) throw new InputError(`${bundle.name}: signature ${key}: ${fault}.`);
  }
  if (bundle.metadata === null) {
    return usable.map((key) => tierOf(key, key, signatures[key], {}, stagesByName(key, signatures)));
  }
  const entries = bundle.metadata.tiers;
  if (!Array.isArray(entries) || entries.length === 0) {
    throw new InputError(`${bundle.name}: metadata.json must list the tiers ${usable.join(", ")}; got none.`);
  }
  return entries.map((entry) => {
    const key = entry?.signature ?? entry?.name;
    if (!usable.includes(key)) {
      throw new InputError(
        `${bundle.name}: metadata.json lists a tier that the model lacks; expected one of ` +
          `${usable.join(", ")}, got ${JSON.stringify(key)}.`,
      );
    }
    return tierOf(String(entry.name ?? key), key, signatures[key], entry, []);
  });
}

/**
 * The exits of each configuration as chained stages, shallowest exit first.
 *
 * @param {string} name what messages call the bundle
 * @param {object[]} tiers as `readTiers` gives them
 * @param {object} signatures as of `readTiers`
 * @returns {Map<string, {tier: object, stages: string[]}[]>} by configuration; `stages` are those that an
 *   exit runs after the exit before it
 * @throws {InputError} a stage is missing, or the stages of an exit do not begin with those of the one before
 */
export function readChains(name, tiers, signatures) {
  const groups = Map.groupBy(
    tiers.filter((tier) => tier.stages.length > 0),
    (tier) => tier.configuration,
  );
  const chains = new Map();
  for (const [configuration, group] of groups) {
    const exits = group.toSorted((a, b) => (a.exit ?? Infinity) - (b.exit ?? Infinity));
    let before = [];
    const chain = [];
    for (const tier of exits) {
      checkStages(name, tier, signatures);
      const begins = before.every((stage, place) => tier.stages[place] === stage);
      if (!begins || tier.stages.length === before.length) {
        throw new InputError(`${name}: the stages of ${tier.name} must be those of the exit before, and more.`);
      }
      chain.push({ tier, stages: tier.stages.slice(before.length) });
      before = tier.stages;
    }
    chains.set(configuration, chain);
  }
  return chains;
}

function checkStages(name, tier, signatures) {
  let given = ["image"];
  for (const stage of tier.stages) {
    const signature = signatures[stage];
    if (!signature) throw new InputError(`${name}: the tier ${tier.name} lists ${stage}, a stage that the model lacks.`);
    const taken = Object.keys(signature.inputs).toSorted();
    if (taken.join() !== given.join()) {
      throw new InputError(
        `${name}: the stage ${stage} of ${tier.name} must take ${given.join(", ")}; it takes ${taken.join(", ")}.`,
      );
    }
    const fault = faultOf(signature);
    if (fault) throw new InputError(`${name}: signature ${stage}: ${fault}.`);
    given = Object.keys(signature.outputs).filter((key) => key.startsWith("state_")).toSorted();
  }
}

function tierOf(name, key, signature, figures, byName) {
  const [, height, width] = signature.inputs.image.shape;
  const [, maskHeight, maskWidth] = signature.outputs.mask.shape;
  const { base, exit } = partsOf(key);
  const configuration = figures.configuration ?? base;
  return {
    name,
    signature: key,
    inputSize: [height, width],
    maskSize: [maskHeight, maskWidth],
    // Another input size than the native one makes a configuration of its own.
    configuration: base === `${configuration}_${height}x${width}` ? base : configuration,
    exit: figures.exit === undefined ? exit : figures.exit,
    stages: figures.stages ?? byName,
    threshold: figures.thresholds?.image ?? null,
    figures,
  };
}

/** The stages that lead to a tier, by their names alone. */
function stagesByName(key, signatures) {
  const { base, exit } = partsOf(key);
  const present = [];
  for (let k = 1; `${base}_stage${k}` in signatures && k <= (exit ?? Infinity); k++) present.push(`${base}_stage${k}`);
  return exit === null || present.length === exit ? present : [];
}

function partsOf(key) {
  const match = /^(.+)_exit([1-9]\d*)$/.exec(key);
  return match ? { base: match[1], exit: Number(match[2]) } : { base: key, exit: null };
}

function isTier({ inputs, outputs }) {
  return Object.keys(inputs).join() === "image" && Object.keys(outputs).toSorted().join() === "confidence,mask";
}

/** What of an interface is off the contract, in words; empty if nothing is. */
function faultOf({ inputs, outputs }) {
  const wrong = ({ dtype, shape }, right) => dtype !== "uint8" || shape[0] !== 1 || !right;
  const { image } = inputs;
  const { mask, confidence } = outputs;
  if (!mask || !confidence) return "mask and confidence must be among its outputs";
  if (image && wrong(image, image.shape.length === 4 && image.shape[3] === 3)) {
    return `image must be uint8 (1, height, width, 3), got ${image.dtype} (${image.shape.join(", ")})`;
  }
  if (wrong(mask, mask.shape.length === 3)) {
    return `mask must be uint8 (1, height, width), got ${mask.dtype} (${mask.shape.join(", ")})`;
  }
  if (wrong(confidence, confidence.shape.length === 1)) {
    return `confidence must be uint8 (1,), got ${confidence.dtype} (${confidence.shape.join(", ")})`;
  }
  return "";
}
