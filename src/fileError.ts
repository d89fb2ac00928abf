const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "part of the path is not a folder",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENAMETOOLONG: "the name is too long",
};

/** Why a file operation failed, in words. */
export function reason(error: unknown): string {
  const code = (error as { code?: string } | undefined)?.code;
  return (code && REASONS[code]) ?? code ?? String(error);
}
