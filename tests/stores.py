"""An object store for tests: moto's S3, on this machine."""

REGION = "us-east-1"
# What the client finds in the environment; nothing asks Amazon's machines for more.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
BUCKET = "bucket"


def bucket_url(port: int, path: str) -> str:
    """Gives the URI of a path in the bucket of the store at that port of this machine."""
    return f"s3://{BUCKET}/{path}?endpoint_override=127.0.0.1:{port}&scheme=http"
