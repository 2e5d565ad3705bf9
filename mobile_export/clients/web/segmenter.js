// Runs the tiers of a bundle: images in, masks out, tiers switched by name.

import { loadAndCompile, Tensor } from "@litertjs/core";

import { InputError, readBundle } from "./bundle.js";
import { handedOn } from "./handed_on.js";
import { startRuntime } from "./runtime.js";
import { readChains, readTiers } from "./tiers.js";

/**
 * Runs every tier of one bundle in the browser.
 *
 * Made by `Segmenter.open`. Attributes: `name`, `metadata` (null for a plain `.tflite`), `checked` (whether the
 * checksum was compared), `labels`, `tiers` as `readTiers` gives them, `chains` as `readChains` does,
 * `defaultTier`, `accelerator` ("wasm" or "webgpu") and `threads`.
 *
 * @example
 * const segmenter = await Segmenter.open(new Uint8Array(await (await fetch("camvid.tflite")).arrayBuffer()));
 * const { mask, confidence, latencyMs } = await segmenter.run(await Picture.read(file), "light");
 */
export class Segmenter {
  #model;
  #handedOn;
  #tiers;
  #ready = new Set();
  #turn = Promise.resolve();

  constructor(bundle, model, accelerator, threads) {
    const signatures = Object.fromEntries(Object.entries(model.signatures).map(([key, it]) => [key, described(it)]));
    this.name = bundle.name;
    this.metadata = bundle.metadata;
    this.checked = bundle.checked;
    this.labels = bundle.labels;
    this.tiers = readTiers(bundle, signatures);
    this.chains = readChains(bundle.name, this.tiers, signatures);
    this.accelerator = accelerator;
    this.threads = threads;
    this.#model = model;
    this.#handedOn = handedOn(bundle.model);
    this.#tiers = new Map(this.tiers.map((tier) => [tier.name, tier]));
    this.defaultTier = String(bundle.metadata?.default_tier ?? this.tiers[0].name);
    this.tier(this.defaultTier);
  }

  /**
   * @param {Uint8Array} content bytes of the bundle
   * @param {{name?: string, accelerator?: string, threads?: number, wasm?: string}} [options] what messages call
   *   the bundle; "wasm" or "webgpu"; threads of a wasm inference, as many as there are if not given; address of
   *   LiteRT.js's wasm files
   * @throws {InputError} the bundle is damaged or none, or the accelerator is absent or cannot run it
   */
  static async open(content, { name = "the bundle", accelerator = "wasm", threads = Infinity, wasm } = {}) {
    const bundle = await readBundle(content, name);
    const { threads: most, accelerators } = await startRuntime(wasm);
    const numThreads = Math.max(1, Math.min(threads, most));
    if (!accelerators.includes(accelerator)) {
      throw new InputError(`This browser has no ${accelerator}; it has ${accelerators.join(" and ")}.`);
    }
    let model;
    try {
      model = await loadAndCompile(bundle.model, { accelerator, cpuOptions: { numThreads } });
    } catch (error) {
      throw new InputError(`${name} cannot run on ${accelerator}: ${oneLine(error)}`);
    }
    try {
      return new Segmenter(bundle, model, accelerator, numThreads);
    } catch (error) {
      model.delete();
      throw error;
    }
  }

  /** What the bundle says of a tier. */
  tier(name) {
    const tier = this.#tiers.get(name);
    if (!tier) throw new InputError(`The tier must be one of ${[...this.#tiers.keys()].join(", ")}; got ${name}.`);
    return tier;
  }

  /**
   * Segments one picture with one tier.
   *
   * @param {{pixels: function([number, number]): Uint8Array}} picture as of `Picture`
   * @param {string} [name] of the tier
   * @returns {Promise<object>} `mask` (Uint8Array of class ids), `maskSize` `[height, width]`, `confidence` 0-1,
   *   `tier`, `latencyMs` of inference alone, `steps` (empty here)
   */
  run(picture, name = this.defaultTier) {
    const tier = this.tier(name);
    return this.#alone(async () => {
      const { outputs, latencyMs } = await this.#call(tier.signature, { image: imageOf(picture, tier) });
      return resultOf(outputs, tier, latencyMs, []);
    });
  }

  /**
   * Segments one picture as far as it needs: leaves at the first exit that is sure enough of it.
   *
   * @param {object} picture as of `run`
   * @param {string} [configuration] whose exits run; that of the default tier if not given
   * @param {?number} [threshold] confidence 0-1 at which to leave, for all exits; each exit's own if null
   * @returns {Promise<object>} as of `run`, with every exit that it came to in `steps`: tier, confidence,
   *   threshold and latencyMs
   * @throws {InputError} the configuration has no stages, or no threshold is known
   */
  adaptive(picture, configuration = this.tier(this.defaultTier).configuration, threshold = null) {
    const chain = this.chains.get(configuration);
    if (!chain) throw new InputError(`${configuration} of ${this.name} has no stages to run exit after exit.`);
    const thresholds = chain.map(({ tier }) => threshold ?? tier.threshold);
    thresholds[chain.length - 1] = 0;
    const missing = thresholds.findIndex((value) => !(value >= 0 && value <= 1));
    if (missing >= 0) {
      throw new InputError(
        `The threshold of ${chain[missing].tier.name} must be a share of pixels 0-1; ` +
          `got ${thresholds[missing] ?? "none, and the bundle has none of its own"}.`,
      );
    }
    return this.#alone(async () => {
      let states = { image: imageOf(picture, chain[0].tier) };
      let outputs;
      const steps = [];
      for (const [place, { tier, stages }] of chain.entries()) {
        let spentMs = 0;
        for (const stage of stages) {
          const called = await this.#call(stage, states);
          outputs = called.outputs;
          spentMs += called.latencyMs;
          states = Object.fromEntries(Object.entries(outputs).filter(([key]) => key.startsWith("state_")));
        }
        const confidence = outputs.confidence[0] / 255;
        steps.push({ tier: tier.name, confidence, threshold: thresholds[place], latencyMs: spentMs });
        if (confidence >= thresholds[place]) break;
      }
      const left = chain[steps.length - 1].tier;
      const latencyMs = steps.reduce((sum, step) => sum + step.latencyMs, 0);
      return resultOf(outputs, left, latencyMs, steps);
    });
  }

  /** Gives the model's memory back; nothing runs afterwards. */
  close() {
    return this.#alone(async () => this.#model.delete());
  }

  /** One call at a time: the model's tensors are shared between its signatures. */
  #alone(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #call(signature, arrays) {
    const runner = this.#model.signatures[signature];
    if (!this.#ready.has(signature)) {
      // The first call of a signature prepares it; its time is no inference's.
      await timed(runner, arrays);
      this.#ready.add(signature);
    }
    const called = await timed(runner, arrays);
    for (const [output, input] of Object.entries(this.#handedOn[signature])) called.outputs[output] = arrays[input];
    return called;
  }
}

async function timed(runner, arrays) {
  const details = runner.getInputDetails();
  const inputs = {};
  let given = {};
  try {
    for (const { name, shape } of details) inputs[name] = new Tensor(arrays[name], shape);
    const start = performance.now();
    given = await runner.run(inputs);
    const outputs = {};
    for (const [name, tensor] of Object.entries(given)) outputs[name] = await tensor.data();
    return { outputs, latencyMs: performance.now() - start };
  } finally {
    for (const tensor of [...Object.values(inputs), ...Object.values(given)]) tensor.delete();
  }
}

function described(runner) {
  const tensors = (details) =>
    Object.fromEntries(details.map(({ name, dtype, shape }) => [name, { dtype, shape: Array.from(shape) }]));
  return { inputs: tensors(runner.getInputDetails()), outputs: tensors(runner.getOutputDetails()) };
}

function imageOf(picture, tier) {
  return picture.pixels(tier.inputSize);
}

function resultOf(outputs, tier, latencyMs, steps) {
  const { mask, confidence } = outputs;
  return { mask, maskSize: tier.maskSize, confidence: confidence[0] / 255, tier: tier.name, latencyMs, steps };
}

function oneLine(error) {
  return String(error?.message ?? error).replace(/\s+/g, " ").slice(0, 300);
}
