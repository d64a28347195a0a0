/** Writes out the OpenAPI description that the app serves. */

const described = await (await fetch("openapi.json")).json();

function part(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

function table(heads, rows) {
  const line = (cells, tag) => part("tr", ...cells.map((cell) => part(tag, cell)));
  return part("table", part("thead", line(heads, "th")), part("tbody", ...rows.map((row) => line(row, "td"))));
}

/** A schema in a word: the name of another, a list of one, or a type. */
function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if (schema.items) return `list of ${typeOf(schema.items)}`;
  return schema.type ?? "any";
}

function operation(path, method, { summary, description, parameters = [], requestBody, responses }) {
  const made = part("section", part("h2", part("code", `${method.toUpperCase()} ${path}`)), part("p", description ?? summary));
  if (parameters.length) {
    made.append(table(["parameter", "type", "", "meaning"], parameters.map((given) => [
      part("code", given.name), typeOf(given.schema), given.required ? "required" : "optional", given.description ?? "",
    ])));
  }
  if (requestBody) made.append(part("p", "Body: ", typeOf(requestBody.content["application/json"].schema)));
  made.append(table(["status", "answer", "meaning"], Object.entries(responses).map(([status, answer]) => {
    const [[type, content] = ["", {}]] = Object.entries(answer.content ?? {});
    return [status, content.schema ? typeOf(content.schema) : type, answer.description];
  })));
  return made;
}

for (const [path, methods] of Object.entries(described.paths)) {
  for (const [method, told] of Object.entries(methods)) {
    document.getElementById("operations").append(operation(path, method, told));
  }
}
for (const [name, { description = "", properties = {} }] of Object.entries(described.components.schemas)) {
  const rows = Object.entries(properties).map(([key, schema]) => [part("code", key), typeOf(schema), schema.description ?? ""]);
  document.getElementById("schemas").append(
    part("section", part("h3", name), part("p", description), ...(rows.length ? [table(["field", "type", "meaning"], rows)] : [])),
  );
}
