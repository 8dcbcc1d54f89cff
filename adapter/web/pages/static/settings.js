// One set of settings: what is chosen, what /api is asked, and the same as commands of other clients.

export function newSettings(defaults, like = null) {
  if (like) return { ...like, options: [...like.options] };
  return {
    kind: `style:${defaults.style}`,
    length: defaults.length,
    words: "",
    options: [],
    name: "",
    prompt: "",
    temperature: "",
    top_p: "",
    top_k: "",
    max_tokens: "",
    seed: "",
  };
}

const NUMBERS = ["temperature", "top_p", "top_k", "max_tokens", "seed"];

// Gives the fields of a request, without an image.
export function fieldsOf(settings) {
  const fields = {};
  if (settings.prompt.trim()) {
    fields.prompt = settings.prompt;
  } else {
    const [kind, name] = split(settings.kind);
    fields[kind === "style" ? "style" : "caption_type"] = name;
    if (kind !== "style") fields.caption_length = settings.length === "words" ? settings.words : settings.length;
    if (settings.options.length) fields.extra_options = settings.options;
    if (settings.name.trim()) fields.name_input = settings.name;
  }
  for (const name of NUMBERS) {
    if (settings[name] !== "") fields[name] = Number(settings[name]);
  }
  return fields;
}

function split(kind) {
  const colon = kind.indexOf(":");
  return [kind.slice(0, colon), kind.slice(colon + 1)];
}

function quoted(text) {
  return `'${String(text).replaceAll("'", `'\\''`)}'`;
}

export function asCurl(settings, origin) {
  const { prompt, ...fields } = fieldsOf(settings);
  const content = [{ type: "image_url", image_url: { url: "file:///PATH/TO/IMAGE" } }];
  if (prompt) content.push({ type: "text", text: prompt });
  const body = { model: "joycaption", messages: [{ role: "user", content }], ...fields };
  return `curl -s ${origin}/v1/chat/completions -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(body))}`;
}

export function asPython(settings, origin) {
  const { prompt, style, caption_type, caption_length, extra_options, name_input, top_k, ...fields } =
    fieldsOf(settings);
  const extra = { style, caption_type, caption_length, extra_options, name_input, top_k };
  const given = Object.fromEntries(Object.entries(extra).filter(([, value]) => value !== undefined));
  const text = prompt ? `\n            {"type": "text", "text": ${JSON.stringify(prompt)}},` : "";
  const more = Object.entries(fields).map(([name, value]) => `\n    ${name}=${JSON.stringify(value)},`);
  if (Object.keys(given).length) more.push(`\n    extra_body=${JSON.stringify(given)},`);
  return `import base64
import pathlib

import openai

client = openai.OpenAI(base_url="${origin}/v1", api_key="none")
image = base64.b64encode(pathlib.Path("IMAGE.png").read_bytes()).decode()
answer = client.chat.completions.create(
    model="joycaption",
    messages=[
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},${text}
        ]},
    ],${more.join("")}
)
print(answer.choices[0].message.content)`;
}

export function asCommand(settings) {
  const fields = fieldsOf(settings);
  const words = ["./joycaption caption FOLDER"];
  const flags = {
    prompt: "--prompt",
    style: "--style",
    caption_type: "--caption-type",
    caption_length: "--length",
    name_input: "--name",
    temperature: "--temperature",
    top_p: "--top-p",
    top_k: "--top-k",
    max_tokens: "--max-tokens",
    seed: "--seed",
  };
  for (const [name, flag] of Object.entries(flags)) {
    if (fields[name] !== undefined) words.push(`${flag} ${quoted(fields[name])}`);
  }
  for (const option of fields.extra_options ?? []) words.push(`--option ${quoted(option)}`);
  return words.join(" \\\n  ");
}
