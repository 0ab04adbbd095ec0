// A form from a JSON Schema: one labelled input per property.

import { make, spaced } from "./dom.js";

function variant(property) {
  const options = (property.anyOf ?? []).filter((option) => option.type !== "null");
  const named = options.find((option) => option.enum); // beside arrays, which come in files
  if (named) return { ...named, ...property };
  return options.length === 1 ? { ...options[0], ...property } : property;
}

// Arrays and objects are typed as JSON; what cannot be read as such goes to the service, which says what it expected.
function structured(property) {
  return !property.enum && property.const === undefined && !["string", "boolean", "integer", "number"].includes(property.type);
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function input(id, property, hint) {
  const common = { id, "aria-describedby": hint };
  if (property.enum) {
    const options = property.enum.map((value) => make("option", { value, selected: value === property.default }, String(value)));
    return make("select", common, ...options);
  }
  if (property.const !== undefined) return make("select", common, make("option", { value: property.const }, String(property.const)));
  if (property.type === "boolean") return make("input", { ...common, type: "checkbox", checked: property.default === true });
  if (structured(property)) {
    const value = property.default ? JSON.stringify(property.default) : "";
    return make("input", { ...common, type: "text", value, placeholder: "JSON, or empty", spellcheck: "false" });
  }
  const number = property.type === "integer" || property.type === "number";
  const value = property.default ?? "";
  if (!number) return make("input", { ...common, type: "text", value });
  const limits = { min: property.minimum ?? property.exclusiveMinimum, max: property.maximum ?? property.exclusiveMaximum };
  return make("input", { ...common, type: "number", step: property.type === "integer" ? "1" : "any", value, placeholder: "automatic", ...limits });
}

function field(prefix, name, given) {
  const property = variant(given);
  const id = `${prefix}-${name}`;
  const hint = `${id}-hint`;
  const label = make("label", { for: id }, spaced(name));
  return make("div", { class: "field" }, label, input(id, property, hint), make("p", { class: "hint", id: hint }, property.description ?? ""));
}

export function build(box, prefix, schema) {
  const properties = Object.entries(schema.properties ?? {});
  box.replaceChildren(...properties.map(([name, property]) => field(prefix, name, property)));
}

function read(element, property) {
  if (element.type === "checkbox") return element.checked;
  if (element.value === "") return undefined;
  if (structured(property)) return json(element.value);
  return property.type === "integer" || property.type === "number" ? Number(element.value) : element.value;
}

export function values(prefix, schema) {
  const found = {};
  for (const [name, given] of Object.entries(schema.properties ?? {})) {
    const value = read(document.getElementById(`${prefix}-${name}`), variant(given));
    if (value !== undefined) found[name] = value;
  }
  return found;
}

// The values that are not the schema's defaults.
export function changed(prefix, schema) {
  const found = Object.entries(values(prefix, schema));
  return Object.fromEntries(found.filter(([name, value]) => value !== (schema.properties[name].default ?? undefined)));
}
