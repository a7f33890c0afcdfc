// Elements: made, and brought up to date in place, so that focus, scrolling and what is open survive a refresh.
//
// Text becomes text nodes, never markup. Listeners are not attached to elements: `data-act` names what is done, see `acts`.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** An HTML element with attributes and children. */
export function h(name, properties, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** An SVG element. */
export function s(name, properties, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && key(one) === key(other);
}

function key(node) {
  return node.dataset?.key;
}

function patch(old, wanted) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether it is open is the reader's.
    if (!wanted.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  // It is filled by somebody else.
  if (old.hasAttribute("data-own")) return;
  morph(old, [...wanted.childNodes]);
  if ("value" in wanted && old !== document.activeElement && old.value !== wanted.value) old.value = wanted.value;
}

/** Makes the children of an element those that are wanted, and keeps what is alike. */
export function morph(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.children) if (key(child)) keyed.set(key(child), child);
  let place = parent.firstChild;
  for (const node of wanted.flat(Infinity).filter(Boolean)) {
    let found = null;
    if (key(node)) found = keyed.get(key(node)) ?? null;
    else if (place && alike(place, node)) found = place;
    if (found && !alike(found, node)) found = null;
    if (!found) {
      parent.insertBefore(node, place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else parent.insertBefore(found, place);
    patch(found, node);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** Draws, and gives back the focus if an element that has it was moved. */
export function draw(parent, wanted) {
  const focused = document.activeElement;
  morph(parent, wanted);
  if (focused && focused !== document.activeElement && focused.isConnected && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

/** What is done where `data-act` says so: `acts.name = (element, event) => …`. */
export const acts = {};

function act(event, attribute) {
  const element = event.target.closest?.(`[${attribute}]`);
  if (!element || element.getAttribute("aria-disabled") === "true") return;
  const done = acts[element.getAttribute(attribute)];
  if (done) done(element, event);
}

document.addEventListener("click", (event) => act(event, "data-act"));
document.addEventListener("change", (event) => act(event, "data-change"));
document.addEventListener("input", (event) => act(event, "data-input"));
document.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event, "data-submit");
});
