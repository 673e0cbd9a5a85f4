"""What a template may say and the local cloud deliberately does nothing about, each with its reason.

Whatever a template says beyond this list and beyond deploy.py is refused. A test keeps the list from growing stale.
"""

TYPES = {
    "AWS::IAM::Role": "Nothing checks permissions here; the tests compare what is granted with what is used.",
    "AWS::Lambda::Permission": "Nothing checks permissions here.",
    "AWS::S3::BucketPolicy": "Nothing checks permissions here, and there is no TLS on a laptop.",
}

PROPERTIES = {
    "AWS::ApiGatewayV2::Api.Tags": "Tags are for the bill.",
    "AWS::ApiGatewayV2::Stage.DefaultRouteSettings": "A laptop is slower than any throttle.",
    "AWS::ApiGatewayV2::Stage.Tags": "Tags are for the bill.",
    "AWS::DynamoDB::Table.SSESpecification": "Nothing is on disk.",
    "AWS::DynamoDB::Table.Tags": "Tags are for the bill.",
    "AWS::Events::Rule.Description": "For people.",
    "AWS::Lambda::Function.Architectures": "The laptop's own.",
    "AWS::Lambda::Function.Description": "For people.",
    "AWS::Lambda::Function.Role": "Nothing checks permissions here.",
    "AWS::Lambda::Function.Runtime": "The interpreter that the local cloud was given, 3.11 or later.",
    "AWS::Lambda::Function.Tags": "Tags are for the bill.",
    "AWS::Lambda::Function.TracingConfig": "There is no X-Ray.",
    "AWS::Lambda::LayerVersion.CompatibleArchitectures": "The laptop's own.",
    "AWS::Lambda::LayerVersion.CompatibleRuntimes": "The interpreter that the local cloud was given.",
    "AWS::Lambda::LayerVersion.Description": "For people.",
    "AWS::Lambda::LayerVersion.LayerName": "Layers are found by their ARN.",
    "AWS::Logs::LogGroup.Tags": "Tags are for the bill.",
    "AWS::S3::Bucket.Tags": "Tags are for the bill.",
    "AWS::SSM::Parameter.Description": "For people.",
    "AWS::SSM::Parameter.Tags": "Tags are for the bill.",
    "AWS::StepFunctions::StateMachine.RoleArn": "Nothing checks permissions here.",
    "AWS::StepFunctions::StateMachine.Tags": "Tags are for the bill.",
    "AWS::StepFunctions::StateMachine.TracingConfiguration": "There is no X-Ray.",
}
