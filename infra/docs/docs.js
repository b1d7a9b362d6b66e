// @ts-check
// The page at /api/docs: shows /api/docs/openapi.json, which is all it loads. Texts go in as text, never as HTML.

/** @typedef {Record<string, any>} Schema */

/**
 * An element with its class and children.
 * @param {string} name
 * @param {string} kind
 * @param {(Node | string)[]} children
 */
function element(name, kind, ...children) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...children);
  return made;
}

/** @param {string} id */
const place = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * A schema in a line: its type, bounds and words, the names of others as links.
 * @param {Schema} schema
 * @returns {Node}
 */
function shortly(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    const link = element("a", "", name);
    link.setAttribute("href", `#schema-${name}`);
    return link;
  }
  if (schema.anyOf) {
    const all = element("span", "");
    schema.anyOf.forEach((/** @type {Schema} */ one, /** @type {number} */ at) => {
      all.append(at ? " or " : "", shortly(one));
    });
    return all;
  }
  if (schema.type === "array") return element("span", "", "list of ", shortly(schema.items ?? {}));
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return element("span", "", "object of ", shortly(schema.additionalProperties));
  }
  const type = [schema.type ?? (schema.enum ? "" : "anything")].flat().join(" or ");
  const bounds = ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "default"]
    .filter((key) => schema[key] !== undefined)
    .map((key) => `${key} ${JSON.stringify(schema[key])}`);
  const words = schema.enum ? [schema.enum.join(" | ")] : [];
  return element("code", "", [type, schema.format, ...words, ...bounds].filter(Boolean).join(", "));
}

/**
 * @param {string[]} heads
 * @param {(Node | string)[][]} rows
 */
function table(heads, rows) {
  const head = element("tr", "", ...heads.map((text) => element("th", "", text)));
  const body = rows.map((cells) => element("tr", "", ...cells.map((cell) => element("td", "", cell))));
  return element("table", "", element("thead", "", head), element("tbody", "", ...body));
}

/** @param {Schema} schema */
function properties(schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, given]) => [
    element("code", "", name),
    shortly(given),
    required.has(name) ? "always" : "may be left out",
    given.description ?? "",
  ]);
  return rows.length ? table(["field", "type", "", ""], rows) : shortly(schema);
}

/**
 * @param {Schema} answer
 * @param {Schema} document
 * @returns {(Node | string)[]}
 */
function answered(answer, document) {
  const found = answer.$ref ? document.components.responses[answer.$ref.split("/").pop()] : answer;
  const kinds = Object.entries(found.content ?? {});
  const body = element("span", "");
  kinds.forEach(([kind, content]) => body.append(`${kind} `, shortly(content.schema), " "));
  return [found.description, body];
}

/**
 * @param {string} path
 * @param {string} method
 * @param {Schema} route
 * @param {Schema} document
 */
function routeOf(path, method, route, document) {
  const shown = element(
    "details",
    "route",
    element(
      "summary",
      "",
      element("span", "method", method.toUpperCase()),
      element("span", "path", path),
      element("span", "role", route["x-role"]),
      element("div", "words", route.summary),
    ),
  );
  shown.id = route.operationId;
  shown.dataset.words = `${method} ${path} ${route["x-role"]} ${route.summary}`.toLowerCase();
  if (route.description) shown.append(element("p", "", route.description));
  if (route.parameters) {
    const rows = route.parameters.map((/** @type {Schema} */ one) => [
      element("code", "", one.name),
      one.in,
      shortly(one.schema),
      one.required ? "must be sent" : "",
      one.description ?? "",
    ]);
    shown.append(element("h3", "", "Parameters"), table(["name", "in", "type", "", ""], rows));
  }
  const body = route.requestBody?.content["application/json"].schema;
  if (body) shown.append(element("h3", "", "Body"), element("p", "", shortly(body)));
  const answers = Object.entries(route.responses).map(([status, one]) => [status, ...answered(one, document)]);
  shown.append(element("h3", "", "Answers"), table(["status", "when", "body"], answers));
  return shown;
}

/** @param {Schema} document */
function show(document) {
  place("version").textContent = document.info.version;
  place("about").textContent = document.info.description;
  for (const tag of document.tags) {
    const group = element("section", "", element("h2", "", tag.name.replaceAll("_", " ")));
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, route] of Object.entries(methods)) {
        if (route.tags.includes(tag.name)) group.append(routeOf(path, method, route, document));
      }
    }
    place("routes").append(group);
  }
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    const shown = element("details", "", element("summary", "", element("code", "", name)));
    shown.id = `schema-${name}`;
    if (schema.description) shown.append(element("p", "", schema.description));
    shown.append(properties(schema));
    place("schemas").append(shown);
  }
}

/** Opens what the address names, a schema or a route. */
function open() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) {
    named.open = true;
    named.scrollIntoView();
  }
}

place("find").addEventListener("input", (event) => {
  const wanted = /** @type {HTMLInputElement} */ (event.target).value.toLowerCase().trim();
  for (const route of document.querySelectorAll(".route")) {
    const words = /** @type {HTMLElement} */ (route).dataset.words ?? "";
    /** @type {HTMLElement} */ (route).hidden = !words.includes(wanted);
  }
  for (const group of document.querySelectorAll("main section")) {
    /** @type {HTMLElement} */ (group).hidden = !group.querySelector(".route:not([hidden])");
  }
});
addEventListener("hashchange", open);

try {
  const answer = await fetch("/api/docs/openapi.json");
  if (!answer.ok) throw new Error(`openapi.json was answered ${answer.status}`);
  show(await answer.json());
  open();
} catch (error) {
  place("about").textContent = `The description could not be read: ${error instanceof Error ? error.message : error}. Reload the page.`;
}
