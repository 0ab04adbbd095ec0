// Small helpers around the document.

export const find = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function showProblem(box, failure) {
  box.hidden = failure === null;
  box.replaceChildren();
  if (failure === null) return;
  const problem = failure.problem ?? { title: "Something went wrong", detail: failure.message };
  box.append(make("strong", {}, problem.title));
  const fields = problem.errors ?? [];
  if (fields.length === 0) box.append(make("p", {}, problem.detail ?? ""));
  else box.append(make("ul", {}, ...fields.map((field) => make("li", {}, make("code", {}, field.path), ` ${field.message}`))));
}
