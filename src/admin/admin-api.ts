/**
 * What operators may ask of a running server, as data: method and path to a handler over JSON.
 * Whoever carries the requests (the socket in the data folder) has made sure that they may ask.
 */
import { z } from 'zod';
import type { ServerStatus } from './server-status.ts';
import { IdentityError, type IdentityStore } from './identity-store.ts';

export interface AdminAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface AdminApiOptions {
  readonly identities: IdentityStore;
  status(): ServerStatus;
}

const name = z.string().min(1).max(128);
const policy = z.string().max(20_480);
const newUser = z.strictObject({
  name,
  email: z.string().max(256).optional(),
  admin: z.boolean().optional(),
  policy: policy.optional(),
});
const userChange = z.strictObject({
  name,
  disabled: z.boolean().optional(),
  admin: z.boolean().optional(),
  policy: policy.nullable().optional(),
});
const named = z.strictObject({ name });

const STATUS: Readonly<Record<IdentityError['kind'], number>> = {
  exists: 409,
  missing: 404,
  refused: 400,
};

type Handler = (input: unknown) => Promise<unknown>;

export class AdminApi {
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor({ identities, status }: AdminApiOptions) {
    this.#handlers = new Map<string, Handler>([
      ['GET /v1/status', async () => status()],
      ['GET /v1/users', async () => identities.users()],
      ['POST /v1/users', async (input) => identities.createUser(newUser.parse(input))],
      [
        'PATCH /v1/users',
        async (input) => {
          const { name: user, ...change } = userChange.parse(input);
          return identities.changeUser(user, change);
        },
      ],
      ['DELETE /v1/users', async (input) => identities.removeUser(named.parse(input).name)],
      ['POST /v1/secrets', async (input) => identities.makeSecret(named.parse(input).name)],
      ['DELETE /v1/secrets', async (input) => identities.revokeSecret(named.parse(input).name)],
    ]);
  }

  /** Never rejects: a broken handler answers 500 without its reason. */
  async ask(method: string, path: string, input: unknown): Promise<AdminAnswer> {
    const handler = this.#handlers.get(`${method} ${path}`);
    if (handler === undefined) return refusal(404, `there is no ${method} ${path}`);
    try {
      return { status: 200, body: (await handler(input)) ?? null };
    } catch (error) {
      if (error instanceof IdentityError) return refusal(STATUS[error.kind], error.message);
      if (error instanceof z.ZodError) {
        const [issue] = error.issues;
        return refusal(400, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
      }
      return refusal(500, 'the server could not do it: its log says why');
    }
  }
}

function refusal(status: number, error: string): AdminAnswer {
  return { status, body: { error } };
}
