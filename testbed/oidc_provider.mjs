// oidc-provider as it is, with one client and accounts that need no password: whoever types a name signs in as that.
// Arguments: the client's redirect URIs. Prints its issuer.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const redirectUris = process.argv.slice(1);
const server = createServer((request, response) => handle(request, response));
let handle;

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const key = (kid, type, options) =>
    ({ ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), kid, use: "sig" });
  const provider = new Provider(issuer, {
    clients: [{
      client_id: "chatkeep",
      client_secret: "a secret of this test, long enough",
      redirect_uris: redirectUris,
      grant_types: ["authorization_code"],
      response_types: ["code"],
    }],
    jwks: { keys: [key("rsa", "rsa", { modulusLength: 2048 }), key("ec", "ec", { namedCurve: "P-256" })] },
    cookies: { keys: ["a key of this test"] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    // Signing in and consenting, without a page to click on: the name comes as a cookie of the browser.
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, name: id }),
    }),
  });
  const callback = provider.callback();
  handle = async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return callback(request, response);
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    const who = /who=([a-z]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "nobody";
    if (prompt.name === "login") {
      return provider.interactionFinished(request, response, { login: { accountId: who } });
    }
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
  };
  console.log(issuer);
});

process.stdin.on("end", () => process.exit(0)).resume();
