/** Writes out the OpenAPI description that the app serves. */

const SHOWN = 1500; // characters of an answer
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

/** A form that makes the request and shows the answer. */
function trial(path, method, { parameters = [], requestBody }) {
  const form = part("form"), fields = new Map();
  form.className = "trial";
  const field = (name, value, tag) => {
    const input = document.createElement(tag);
    input.value = value;
    if (tag === "textarea") input.rows = 4;
    else input.className = "text";
    fields.set(name, input);
    form.append(part("label", `${name} `, input));
  };
  const examples = { text: "hello", language: "asl", format: "vtt" };
  for (const { name } of parameters) field(name, examples[name] ?? "", "input");
  if (requestBody) {
    const name = requestBody.content["application/json"].schema.$ref.split("/").pop();
    field("body", JSON.stringify(described.components.schemas[name].examples[0], null, 1), "textarea");
  }
  const button = part("button", "Try it"), answer = document.createElement("pre");
  button.type = "submit";
  answer.hidden = true;
  answer.setAttribute("role", "status");
  answer.tabIndex = 0;
  form.append(button, answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = [...fields].filter(([name, { value }]) => name !== "body" && value).map(([name, { value }]) => [name, value]);
    const asked = { method: method.toUpperCase() };
    if (fields.has("body")) Object.assign(asked, { headers: { "content-type": "application/json" }, body: fields.get("body").value });
    answer.hidden = false;
    try {
      const said = await fetch(`${path.slice(1)}?${new URLSearchParams(given)}`, asked);
      const text = await said.text();
      const more = text.length > SHOWN ? ` … (${text.length} characters)` : "";
      answer.textContent = `${said.status} ${said.headers.get("content-type") ?? ""}\n${text.slice(0, SHOWN)}${more}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  });
  return form;
}

for (const [path, methods] of Object.entries(described.paths)) {
  for (const [method, told] of Object.entries(methods)) {
    document.getElementById("operations").append(operation(path, method, told), trial(path, method, told));
  }
}
for (const [name, { description = "", properties = {} }] of Object.entries(described.components.schemas)) {
  const rows = Object.entries(properties).map(([key, schema]) => [part("code", key), typeOf(schema), schema.description ?? ""]);
  document.getElementById("schemas").append(
    part("section", part("h3", name), part("p", description), ...(rows.length ? [table(["field", "type", "meaning"], rows)] : [])),
  );
}
