"""The AWS Rekognition protocol at `POST /`: JSON 1.1, signed with SigV4. Finds and stores nothing by itself."""
