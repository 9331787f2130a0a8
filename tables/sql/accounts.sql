-- What tables/accounts.py, sessions.py and keys.py ask.

-- create_user
INSERT INTO users (name, password_hash, role) VALUES ($1, $2, $3)
ON CONFLICT (lower(name)) DO NOTHING
RETURNING *

-- user_by_name
SELECT * FROM users WHERE lower(name) = lower($1)

-- user_by_id
SELECT * FROM users WHERE user_id = $1

-- users
SELECT * FROM users ORDER BY lower(name) LIMIT $1

-- change_user
UPDATE users SET role = coalesce($2, role), active = coalesce($3, active)
WHERE lower(name) = lower($1)
RETURNING *

-- set_password
UPDATE users SET password_hash = $2
WHERE user_id = $1 AND ($3::text IS NULL OR password_hash = $3)
RETURNING user_id

-- locked_for
SELECT extract(epoch FROM locked_until - now())::float8 FROM login_failures
WHERE name = lower($1) AND locked_until > now()

-- fail
-- The fifth failure in a row locks the name for $2 seconds; each further one doubles it, up to $3.
-- After a day without a failure the row starts anew.
INSERT INTO login_failures AS kept (name, failures) VALUES (lower($1), 1)
ON CONFLICT (name) DO UPDATE SET
    failures = CASE WHEN kept.last_at < now() - interval '1 day' THEN 1 ELSE kept.failures + 1 END,
    last_at = now(),
    locked_until = CASE
        WHEN kept.failures >= 4 AND kept.last_at >= now() - interval '1 day'
        THEN now() + make_interval(secs => least($2 * 2.0 ^ least(kept.failures - 4, 16), $3))
    END
RETURNING coalesce(extract(epoch FROM locked_until - now()), 0)::float8

-- forget_failures
DELETE FROM login_failures WHERE name = lower($1) OR last_at < now() - interval '7 days'

-- record
INSERT INTO audit_log (event, name, actor, address, request_id, details)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)

-- audit
SELECT * FROM audit_log WHERE audit_id < $1 ORDER BY audit_id DESC LIMIT $2

-- issue_refresh
INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4))

-- lock_unchanged_user
-- Who begins a family takes the row too; none, where the account is no longer what was checked.
SELECT user_id FROM users WHERE user_id = $1 AND password_hash = $2 AND active FOR UPDATE

-- lock_user_of
-- Whose token this is: what rotates or ends a family takes this row first, and so sees every token of it.
SELECT user_id FROM users
WHERE user_id = (SELECT user_id FROM refresh_tokens WHERE token_hash = $1)
FOR UPDATE

-- use_refresh
UPDATE refresh_tokens SET used_at = now()
WHERE token_hash = $1 AND used_at IS NULL AND ended_at IS NULL AND expires_at > now()
RETURNING family, user_id

-- reused_refresh
SELECT family, user_id FROM refresh_tokens
WHERE token_hash = $1 AND used_at IS NOT NULL AND ended_at IS NULL AND expires_at > now()

-- end_family
UPDATE refresh_tokens SET ended_at = now() WHERE family = $1 AND ended_at IS NULL

-- end_family_of
UPDATE refresh_tokens SET ended_at = now()
WHERE family = (SELECT family FROM refresh_tokens WHERE token_hash = $1) AND ended_at IS NULL
RETURNING user_id

-- end_families_of_user
UPDATE refresh_tokens SET ended_at = now() WHERE user_id = $1 AND ended_at IS NULL

-- forget_refresh
DELETE FROM refresh_tokens WHERE expires_at < now()

-- create_key
INSERT INTO api_keys (key_id, key_hash, name, scope, region, user_id, expires_at)
VALUES ($1, $2, $3, 'ingest', $4, $5, now() + make_interval(secs => $6))
RETURNING *, (SELECT name FROM users WHERE user_id = $5) AS owner

-- use_key
UPDATE api_keys SET last_used_at = now() FROM users
WHERE key_id = $1 AND key_hash = $2 AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > now())
  AND users.user_id = api_keys.user_id AND users.active
RETURNING api_keys.*, users.name AS owner

-- keys
SELECT api_keys.*, users.name AS owner FROM api_keys JOIN users USING (user_id)
WHERE $1::uuid IS NULL OR user_id = $1
ORDER BY created_at DESC, key_id LIMIT $2

-- revoke_key
UPDATE api_keys SET revoked_at = now()
WHERE key_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR user_id = $2)
RETURNING name

-- import_until
UPDATE users SET latest_import = greatest(latest_import, $2) WHERE lower(name) = lower($1)
