/** KEYS[1]; ARGV: "1" and the expected value or "0" and anything; "1" and the next value or "0"; milliseconds or "". */
export const COMPARE_AND_SET = `
  local found = redis.call('GET', KEYS[1])
  if ARGV[1] == '1' then
    if found ~= ARGV[2] then return 0 end
  elseif found then
    return 0
  end
  if ARGV[3] == '0' then
    redis.call('DEL', KEYS[1])
  elseif ARGV[5] == '' then
    redis.call('SET', KEYS[1], ARGV[4])
  else
    redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
  end
  return 1`;

/** KEYS[1]; ARGV: the summand and the time to live in milliseconds for a new counter. Gives the sum. */
export const INCREMENT = `
  local known = redis.call('EXISTS', KEYS[1])
  local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
  if known == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return sum`;
