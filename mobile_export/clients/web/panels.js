// Writes what is known of tiers, exits and classes into the page.

import { labelOf, sharesOf } from "./labels.js";

/** An element with text or children; attributes that are functions become listeners. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/**
 * The table of tiers, one choice a row.
 *
 * @param {HTMLTableSectionElement} body its rows are written anew
 * @param {object} segmenter
 * @param {string} chosen name of the tier that is chosen
 * @param {function(string): void} choose is told the name of a newly chosen one
 */
export function tierRows(body, segmenter, chosen, choose) {
  body.replaceChildren(
    ...segmenter.tiers.map(({ name, figures }) => {
      const input = element("input", { type: "radio", name: "tier", value: name, checked: name === chosen });
      input.addEventListener("change", () => choose(name));
      const row = element(
        "tr",
        { "data-tier": name, click: () => input.click() },
        element("th", { scope: "row" }, element("label", {}, input, name)),
        element("td", {}, percent(figures.miou)),
        element("td", {}, amount(figures.macs)),
        element("td", {}, number(figures.latency_ms)),
        element("td", { class: "here" }),
      );
      row.querySelector("label").addEventListener("click", (event) => event.stopPropagation());
      return row;
    }),
  );
}

/** What the table leaves out of one tier, in one sentence. */
export function figuresOf({ name, inputSize, figures }) {
  const words = [`${inputSize.join(" × ")} pixels in`];
  if (typeof figures.parameters === "number") words.push(`${(figures.parameters / 1e6).toFixed(2)} M parameters`);
  if (typeof figures.dice === "number") words.push(`Dice ${percent(figures.dice)}`);
  return `${name}: ${words.join(", ")}.`;
}

/** Where the figures of the table come from, in one sentence; empty where the bundle does not say. */
export function figuresFrom({ tiers }) {
  const { measured_on: data, latency_measured_with: machine } = tiers[0].figures;
  const words = [];
  if (data) words.push(`mIoU: ${data.images} ${data.split} images of ${data.data}, as int8.`);
  if (machine) words.push(`ms: ${machine.cpu}, ${machine.threads} thread${machine.threads === 1 ? "" : "s"}, ${machine.runtime}.`);
  return words.join(" ");
}

/** The exits of a chain, and how sure each was that a run came to. */
export function exitRows(list, chain, steps) {
  list.replaceChildren(
    ...chain.map(({ tier }, place) => {
      const step = steps[place];
      const left = place === steps.length - 1;
      const threshold = step && place < chain.length - 1 ? step.threshold : null;
      const bar = element("div", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--value", step ? step.confidence : 0);
      if (threshold !== null) {
        bar.append(element("i"));
        bar.style.setProperty("--threshold", threshold);
      }
      const of = threshold === null ? "" : ` of ${percent(threshold)}`;
      const said = step ? `${percent(step.confidence)}${of} % · ${number(step.latencyMs)} ms` : "not run";
      const name = element("b", {}, left ? `${tier.name} – left` : tier.name);
      return element(
        "li",
        { class: step ? (left ? "left" : "passed") : "ahead", "data-tier": tier.name },
        element("div", {}, name, element("span", {}, said)),
        bar,
      );
    }),
  );
}

/** One chip a class: those in the mask by falling share, then the others. */
export function legend(list, labels, mask) {
  const shares = mask ? sharesOf(mask) : [];
  const present = new Set(shares.map(([id]) => id));
  const absent = labels.filter(({ id }) => !present.has(id)).map(({ id }) => [id, 0]);
  list.replaceChildren(
    ...[...shares, ...absent].map(([id, share]) => {
      const { name, color } = labelOf(id, labels);
      const swatch = element("i", { "aria-hidden": "true" });
      swatch.style.background = `rgb(${color.join(" ")})`;
      const said = share >= 0.01 ? `${Math.round(100 * share)} %` : share > 0 ? "< 1 %" : "";
      return element("li", { class: share > 0 ? "" : "absent", "data-class": id }, swatch, name, element("b", {}, said));
    }),
  );
}

/** A number in few digits; empty where there is none. */
export function number(value) {
  if (typeof value !== "number") return "";
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function percent(share) {
  return typeof share === "number" ? (100 * share).toFixed(1) : "";
}

/** Multiply-adds in millions or thousands of millions. */
function amount(value) {
  if (typeof value !== "number") return "";
  return value >= 1e9 ? `${(value / 1e9).toFixed(2)} G` : `${(value / 1e6).toFixed(0)} M`;
}
