// An official client for JavaScript, as somebody would use it: node callers.cjs <replicate|fal> <address> <tasks> <pause>
// Every `pause` seconds it begins a task, and has it made with the client's own means. It prints, as JSON, when each task
// was known to have ended, by the gateway's id, and how many milliseconds of CPU a task has taken. Nothing is changed in
// the clients but where they find their gateway. KEY, MODEL and INPUT (JSON) are all else that it is told.

const { KEY: key, MODEL: model } = process.env;
const input = JSON.parse(process.env.INPUT);

const clients = {
  replicate: (address) => {
    const Replicate = require("replicate");
    const replicate = new Replicate({ auth: key, baseUrl: `${address}/api.replicate.com/v1` });
    return async () => (await replicate.wait(await replicate.predictions.create({ model, input }))).id;
  },
  fal: (address) => {
    const { createFalClient } = require("@fal-ai/client");
    const there = (request) => ({ ...request, url: request.url.replace("https://", `${address}/`) });
    const fal = createFalClient({ credentials: key, requestMiddleware: async (request) => there(request) });
    return async () => {
      let id;
      await fal.subscribe(model, { input, onEnqueue: (enqueued) => (id = enqueued) });
      return id;
    };
  },
};

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

const measure = async (make, tasks, pause) => {
  const known = {};
  const used = process.cpuUsage();
  const one = async (number) => {
    await sleep(number * pause);
    known[await make()] = Date.now() / 1000;
  };
  await Promise.all(Array.from({ length: tasks }, (_, number) => one(number)));
  const { user, system } = process.cpuUsage(used);
  return { known, cpu_ms: (user + system) / 1000 / tasks };
};

const [client, address, tasks, pause] = process.argv.slice(2);
measure(clients[client](address), Number(tasks), Number(pause)).then((told) => console.log(JSON.stringify(told)));
