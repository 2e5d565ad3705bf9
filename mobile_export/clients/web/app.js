// The page: choose a bundle and a picture, switch the tier, see mask, time and figures.

import { InputError } from "./bundle.js";
import { Camera } from "./camera.js";
import { element, exitRows, figuresFrom, figuresOf, legend, number, tierRows } from "./panels.js";
import { Picture } from "./picture.js";
import { startRuntime } from "./runtime.js";
import { Segmenter } from "./segmenter.js";
import { View } from "./view.js";

const KEPT_TIMES = 15; // of each tier, for its median

const byId = (id) => document.getElementById(id);
const view = new View(byId("stage"), byId("picture"), byId("mask"), byId("tip"));
const asked = new URLSearchParams(location.search);

let segmenter = null;
let content = null; // bytes and name of the bundle that is open
let still = null; // the picture that is open
let camera = null;
let tier = null;
let times = new Map();
let running = false;
let again = false;

/** Says one line of a topic, or takes it away. A newer line of a topic takes the older one's place. */
function notice(topic, text, kind = "fault") {
  document.querySelector(`[data-topic="${topic}"]`)?.remove();
  if (!text) return;
  const close = element("button", { type: "button", "aria-label": "Dismiss", click: () => notice(topic) }, "×");
  byId("notices").append(element("p", { "data-topic": topic, class: kind }, element("span", {}, text), close));
}

/** Does what a person asked for; a fault of theirs becomes one line. */
async function attempt(topic, work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof InputError)) console.error(error);
    notice(topic, error instanceof InputError ? error.message : `This went wrong: ${error?.message ?? error}`);
  }
}

// === Bundle ===

async function openBundle(bytes, name) {
  const opened = await openedOnWhatThereIs(bytes, name);
  notice("bundle");
  const before = segmenter;
  segmenter = opened;
  content = { bytes, name };
  times = new Map();
  if (before) await before.close();
  const had = opened.tiers.find(({ name: known }) => known === tier);
  chooseTier(had ? tier : opened.defaultTier);
  tierRows(byId("tiers"), opened, tier, chooseTier);
  aboutBundle(bytes.length);
  const configurations = [...opened.chains.keys()];
  byId("configuration").replaceChildren(...configurations.map((key) => new Option(key, key)));
  byId("configuration").value = opened.chains.has(opened.tier(tier).configuration)
    ? opened.tier(tier).configuration
    : (configurations[0] ?? "");
  byId("configuration-choice").hidden = configurations.length < 2;
  byId("modes").hidden = configurations.length === 0;
  if (configurations.length === 0) document.querySelector('[name="mode"][value="tier"]').checked = true;
  showMode();
}

/** The bundle on the accelerator that is chosen; on wasm, with a line that says so, where that one cannot run it. */
async function openedOnWhatThereIs(bytes, name) {
  const accelerator = byId("accelerator").value;
  try {
    return await Segmenter.open(bytes, { name, accelerator });
  } catch (error) {
    if (accelerator === "wasm") throw error;
    const opened = await Segmenter.open(bytes, { name });
    byId("accelerator").value = "wasm";
    notice("accelerator", `${error.message} It goes on with wasm.`);
    return opened;
  }
}

function aboutBundle(size) {
  const { name, tiers, labels, metadata, checked, threads, accelerator } = segmenter;
  const words = [`${(size / 1e6).toFixed(2)} MB`, counted(tiers.length, "tier")];
  if (labels.length) words.push(counted(labels.length, "class", "classes"));
  if (accelerator === "wasm") words.push(counted(threads, "thread"));
  if (metadata === null) words.push("no metadata: no figures, no class names, not checked for damage");
  else if (!checked) words.push("not checked for damage: that needs https or localhost");
  byId("about-bundle").replaceChildren(element("b", {}, metadata?.name ?? name), ` ${words.join(" · ")}`);
}

function chooseTier(name) {
  tier = name;
  byId("figures-from").textContent = `${figuresOf(segmenter.tier(name))} ${figuresFrom(segmenter)}`;
  refresh();
}

async function openGivenBundle() {
  const address = asked.get("bundle") ?? "bundle";
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) {
    if (asked.has("bundle")) throw new InputError(`There is no bundle at ${address}.`);
    return;
  }
  if (response.status === 204) return; // `tierseg web` was given none
  const named = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition") ?? "");
  const name = named ? decodeURIComponent(named[1]) : address.split("/").pop();
  await openBundle(new Uint8Array(await response.arrayBuffer()), name);
}

// === Pictures ===

async function openPicture(blob, name) {
  const picture = await Picture.read(blob, name);
  stopCamera();
  notice("picture");
  if (picture.reducedFrom) {
    const [width, height] = picture.reducedFrom;
    const text = `${name} has ${width} × ${height} pixels; it was shrunk to ${picture.width} × ${picture.height}.`;
    notice("picture", text, "hint");
  }
  still = picture;
  refresh();
}

async function openFile(file) {
  if (/\.tflite$/i.test(file.name)) {
    await attempt("bundle", async () => openBundle(new Uint8Array(await file.arrayBuffer()), file.name));
  } else {
    await attempt("picture", () => openPicture(file, file.name));
  }
}

async function startCamera() {
  camera = await Camera.open(() => {
    stopCamera();
    notice("camera", "The camera has stopped.");
  });
  notice("camera");
  byId("camera").setAttribute("aria-pressed", "true");
  refresh();
}

function stopCamera() {
  camera?.close();
  camera = null;
  byId("camera").setAttribute("aria-pressed", "false");
}

// === Runs ===

/** Runs what is chosen on what is shown; frame after frame while the camera is on. */
async function refresh() {
  again = true;
  if (running) return;
  running = true;
  while (again || camera) {
    again = false;
    await attempt("run", runOnce);
    if (document.querySelector('[data-topic="run"]')) stopCamera();
    await new Promise(requestAnimationFrame); // the page answers between two frames
  }
  running = false;
}

async function runOnce() {
  const start = performance.now();
  const source = camera;
  const picture = source ? await source.frame() : still;
  if (!picture) return;
  byId("hint").hidden = true;
  if (!segmenter) {
    view.show(picture, null, []);
    return;
  }
  const result = await (mode() === "adaptive"
    ? segmenter.adaptive(picture, byId("configuration").value, threshold())
    : segmenter.run(picture, tier));
  notice("run");
  view.show(picture, result, segmenter.labels);
  showResult(result, performance.now() - start, Boolean(source));
  if (source) picture.source.close();
}

function showResult(result, totalMs, moving) {
  const { tier: name, latencyMs, confidence, steps } = result;
  byId("latency").replaceChildren(number(latencyMs), element("small", {}, " ms"));
  const words = [steps.length ? `left at ${name}` : name, `${(100 * confidence).toFixed(1)} % sure`];
  if (moving) words.push(`${(1000 / totalMs).toFixed(1)} frames a second`);
  byId("about-run").textContent = words.join(" · ");
  legend(byId("legend"), segmenter.labels, result.mask);
  if (steps.length) exitRows(byId("exits"), segmenter.chains.get(byId("configuration").value), steps);
  else showTime(name, latencyMs);
  document.dispatchEvent(new CustomEvent("segmented", { detail: result }));
}

function showTime(name, latencyMs) {
  const kept = [...(times.get(name) ?? []), latencyMs].slice(-KEPT_TIMES);
  times.set(name, kept);
  const cell = document.querySelector(`tr[data-tier="${CSS.escape(name)}"] .here`);
  cell.textContent = number(kept.toSorted((a, b) => a - b)[Math.floor(kept.length / 2)]);
}

// === Choices ===

const mode = () => document.querySelector('[name="mode"]:checked').value;
const threshold = () => (byId("own").checked ? null : Number(byId("threshold").value));

function showMode() {
  const adaptive = mode() === "adaptive";
  byId("one-tier").hidden = adaptive;
  byId("figures-from").hidden = adaptive;
  byId("adaptive").hidden = !adaptive;
  const chain = segmenter?.chains.get(byId("configuration").value) ?? [];
  const fitted = chain.slice(0, -1).every(({ tier: exit }) => exit.threshold !== null);
  byId("own").disabled = !fitted;
  if (!fitted) byId("own").checked = false;
  byId("given").hidden = byId("own").checked;
  byId("threshold-value").textContent = `${(100 * byId("threshold").value).toFixed(1)} % sure`;
  refresh();
}

async function chooseAccelerator() {
  notice("accelerator");
  if (content) await openBundle(content.bytes, content.name);
}

function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

// === Start ===

function listen() {
  for (const kind of ["bundle", "picture"]) {
    byId(`open-${kind}`).addEventListener("click", () => byId(`${kind}-file`).click());
    byId(`${kind}-file`).addEventListener("change", async ({ target }) => {
      const [file] = target.files;
      target.value = ""; // the same file can be chosen again
      if (!file) return;
      if (kind === "picture") await openFile(file);
      else await attempt("bundle", async () => openBundle(new Uint8Array(await file.arrayBuffer()), file.name));
    });
  }
  byId("camera").addEventListener("click", () => attempt("camera", async () => (camera ? stopCamera() : startCamera())));
  byId("opacity").addEventListener("input", ({ target }) => (view.opacity = target.value));
  byId("accelerator").addEventListener("change", () => attempt("bundle", chooseAccelerator));
  byId("modes").addEventListener("change", showMode);
  for (const id of ["configuration", "own", "threshold"]) byId(id).addEventListener("input", showMode);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    for (const file of event.dataTransfer.files) await openFile(file);
  });
}

async function start() {
  listen();
  view.opacity = byId("opacity").value;
  await attempt("picture", async () => openPicture(await (await fetch("sample.jpg")).blob(), "sample.jpg"));
  const { accelerators } = await startRuntime();
  for (const option of byId("accelerator").options) option.disabled = !accelerators.includes(option.value);
  const wanted = asked.get("accelerator") ?? "wasm";
  if (accelerators.includes(wanted)) byId("accelerator").value = wanted;
  else notice("accelerator", `This browser has no ${wanted}, only ${accelerators.join(" and ")}. It goes on with wasm.`);
  await attempt("bundle", openGivenBundle);
  document.body.classList.add("ready");
}

attempt("bundle", start);
