"""The registry protocol, `/v2/`: one router per noun of the OCI Distribution Specification 1.1."""
