// Uses OpenAI's package for Node as its documentation does, against a running service.
// node openai_client.mjs BASE_URL DATA_URL DEAD_URL   prints what it saw as one line of JSON.
import OpenAI from "openai";

const [baseURL, url, deadURL] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none" });
const image = { type: "image_url", image_url: { url } };
const messages = [{ role: "user", content: [image] }];
const greedy = { model: "joycaption:casual", messages, temperature: 0 };

const models = [];
for await (const model of client.models.list()) models.push(model.id);
const found = await client.models.retrieve("joycaption:casual");

const plain = await client.chat.completions.create(greedy);

let streamed = "";
let usage = null;
const stream = await client.chat.completions.create({
  ...greedy,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

const ours = await client.chat.completions.create({
  model: "joycaption",
  messages,
  temperature: 0,
  style: "booru",
  trigger: "sks",
});

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, param: error.param };
  }
  throw new Error("it should have failed");
}

// A helper of the package that collects a stream, and one that stops it.
const runner = client.chat.completions.stream(greedy);
const final = await runner.finalChatCompletion();
const aborted = await client.chat.completions.create({ ...greedy, stream: true });
for await (const _ of aborted) break;

console.log(
  JSON.stringify({
    models,
    found: found.id,
    plain: plain.choices[0].message.content,
    plain_usage: plain.usage,
    streamed,
    streamed_usage: usage,
    ours: ours.choices[0].message.content,
    ours_usage: ours.usage,
    final: final.choices[0].message.content,
    unknown: await failure(client.chat.completions.create({ ...greedy, model: "gpt-4o" })),
    bad: await failure(
      client.chat.completions.create({
        ...greedy,
        messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:,x" } }] }],
      }),
    ),
    dead: await failure(new OpenAI({ baseURL: deadURL, apiKey: "none", maxRetries: 0 }).models.list()),
  }),
);
