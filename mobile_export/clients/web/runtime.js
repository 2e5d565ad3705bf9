// Starts LiteRT.js, once a page: with threads where the page may share memory between them.

import { getWebGpuDevice, loadLiteRt, supportsFeature } from "@litertjs/core";

const WASM = new URL("./node_modules/@litertjs/core/wasm/", import.meta.url).href;

let starting = null;

/**
 * @param {string} [folder] address of the wasm files of `@litertjs/core`; read by the first call alone
 * @returns {Promise<{threads: number, accelerators: string[]}>} how many threads a wasm inference has, and
 *   what there is to run on here: "wasm" always, "webgpu" where the browser has a device
 */
export function startRuntime(folder = WASM) {
  starting ??= start(folder);
  return starting;
}

async function start(folder) {
  const threads = globalThis.crossOriginIsolated === true && (await supportsFeature("threads"));
  await loadLiteRt(folder, { threads });
  const cores = Math.min(4, navigator.hardwareConcurrency ?? 1);
  return {
    threads: threads ? cores : 1,
    accelerators: getWebGpuDevice() ? ["wasm", "webgpu"] : ["wasm"],
  };
}
