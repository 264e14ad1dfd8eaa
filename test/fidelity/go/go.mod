module mtls-range/verifier

go 1.26
