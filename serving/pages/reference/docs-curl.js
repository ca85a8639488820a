// An example of a route as a command line for curl, made from its description in the OpenAPI document.

const NAMES = { collection: "staff", person: "ada", face: "FACE", job: "JOB", key: "KEY_ID", id: "staff", source: "bob", kind: "dedup", name: "Ada" };

/** The command, over several lines. `path` has its parameters in braces. */
export function curl(origin, path, method, operation) {
  const filled = path.replace(/{(\w+)}/g, (_, name) => NAMES[name] ?? name);
  const words = [method === "GET" ? "curl -s" : `curl -s -X ${method}`];
  if (operation.security) words.push('-H "Authorization: Bearer $COCIRCLE_KEY"');
  words.push(...body(operation.requestBody?.content ?? {}));
  words.push(quoted(origin + filled));
  return words.join(" \\\n  ");
}

function body(content) {
  const form = content["multipart/form-data"]?.schema;
  if (form) return form.required.map((name) => field(name, form.properties[name]));
  const json = content["application/json"]?.schema;
  if (json) return ["-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(sample(json)))}`];
  return [];
}

function field(name, schema) {
  const isFile = schema.format === "binary" || schema.items?.format === "binary";
  return `-F ${isFile ? `${name}=@photo.jpg` : quoted(`${name}=${JSON.stringify(value(name, schema))}`)}`;
}

/** What must be there, or the first of what may be. */
function sample({ properties, required = [] }) {
  const names = required.length ? required : Object.keys(properties).slice(0, 1);
  return Object.fromEntries(names.map((name) => [name, value(name, properties[name])]));
}

function value(name, schema) {
  const found = schema.anyOf?.[0] ?? schema;
  if (found.enum) return found.enum[0];
  if (found.properties) return sample(found);
  if (found.type === "array") return [value(name, found.items)];
  if (found.type === "object") return {};
  if (found.type === "boolean") return true;
  if (found.type === "string") return NAMES[name] ?? name;
  return found.minimum ?? 1;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
