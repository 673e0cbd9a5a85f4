// What callers do with Replicate's client for JavaScript, each thing by its name: node scenarios.cjs <name> <argument>
// Prints what came of it as JSON. REPLICATE_API_TOKEN, BASE_URL and NODE_EXTRA_CA_CERTS are all that it is told.

const { readFileSync } = require("node:fs");
const Replicate = require("replicate");

const replicate = new Replicate({ auth: process.env.REPLICATE_API_TOKEN, baseUrl: process.env.BASE_URL });
const model = "google/imagen-4-fast";
const input = { prompt: "a lighthouse in a storm" };

const bytes = async (output) => (await output.blob()).size;

const scenarios = {
  run: async () => {
    const output = await replicate.run(model, { input });
    return { url: output.url().href, bytes: await bytes(output) };
  },
  large: async (argument) => {
    const [ref, input] = JSON.parse(argument);
    const output = await replicate.run(ref, { input });
    return { bytes: await bytes([output].flat()[0]) };
  },
  poll: async () => {
    const seen = [];
    const output = await replicate.run(model, { input, wait: { mode: "poll" } }, ({ status }) => seen.push(status));
    return { seen, bytes: await bytes(output) };
  },
  shortWait: async () => {
    const output = await replicate.run(model, { input, wait: { mode: "block", timeout: 1 } });
    return { bytes: await bytes(output) };
  },
  version: async () => {
    const { latest_version } = await replicate.models.get("google", "imagen-4-fast");
    const output = await replicate.run(`${model}:${latest_version.id}`, { input });
    return { bytes: await bytes(output) };
  },
  create: async () => {
    const created = await replicate.predictions.create({ model, input });
    const ended = await replicate.wait(created);
    const found = await replicate.predictions.get(created.id);
    return { created: created.status, ended: ended.status, same: found.output === ended.output };
  },
  cancel: async () => {
    const created = await replicate.predictions.create({ model, input: { prompt: "a slow sea" } });
    await replicate.predictions.cancel(created.id);
    return { status: (await replicate.wait(created)).status };
  },
  list: async () => {
    const made = [];
    for (let each = 0; each < 3; each++) made.push((await replicate.predictions.create({ model: "x/y", input: {} })).id);
    const seen = [];
    for await (const page of replicate.paginate(replicate.predictions.list)) seen.push(...page.map(({ id }) => id));
    return { made, seen };
  },
  file: async (path) => {
    const picture = new Blob([readFileSync(path)], { type: "image/png" });
    const output = await replicate.run("black-forest-labs/flux-kontext-pro", { input: { ...input, input_image: picture } });
    return { bytes: await bytes(output) };
  },
  fails: async () => replicate.run(model, { input: { prompt: "something nsfw" } }),
  refused: async () => replicate.run(model, { input: { prompt: "" } }),
  account: async () => replicate.accounts.current(),
  validate: async (path) => {
    const { headers, body } = JSON.parse(readFileSync(path));
    const { key } = await replicate.webhooks.default.secret.get();
    const request = new Request("https://shop.example.com/", { method: "POST", headers, body });
    return {
      genuine: await Replicate.validateWebhook(request.clone(), key),
      forged: await Replicate.validateWebhook(
        new Request(request.url, { method: "POST", headers, body: `${body} ` }), key),
    };
  },
};

scenarios[process.argv[2]](process.argv[3]).then(
  (result) => console.log(JSON.stringify(result)),
  (error) => console.log(JSON.stringify({ error: error.message, status: error.response?.status })),
);
