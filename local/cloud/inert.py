"""What a template may say and the local cloud deliberately does nothing about, each with its reason.

Whatever a template says beyond this list and beyond deploy.py is refused. A test keeps the list from growing stale.
"""

TYPES = {
    "AWS::CloudWatch::Alarm": "There are no metrics; whoever wants to know looks at the queue.",
    "AWS::Lambda::Permission": "Who calls a function here is the local cloud itself.",
    "AWS::S3::BucketPolicy": "There is no TLS on a laptop, and nobody else to keep out.",
}

PROPERTIES = {
    "AWS::ApiGatewayV2::Api.Tags": "Tags are for the bill.",
    "AWS::ApiGatewayV2::Stage.DefaultRouteSettings": "A laptop is slower than any throttle.",
    "AWS::ApiGatewayV2::Stage.Tags": "Tags are for the bill.",
    "AWS::DynamoDB::Table.SSESpecification": "Nothing is on disk.",
    "AWS::DynamoDB::Table.Tags": "Tags are for the bill.",
    "AWS::Events::Rule.Description": "For people.",
    "AWS::IAM::Policy.PolicyName": "A role knows its statements, not where they came from.",
    "AWS::IAM::Role.AssumeRolePolicyDocument": "Functions and state machines take their roles without asking.",
    "AWS::IAM::Role.ManagedPolicyArns": "Log lines, traces and the polling of queues need no role here.",
    "AWS::IAM::Role.Tags": "Tags are for the bill.",
    "AWS::Lambda::EventSourceMapping.Tags": "Tags are for the bill.",
    "AWS::Lambda::Function.Architectures": "The laptop's own.",
    "AWS::Lambda::Function.Description": "For people.",
    "AWS::Lambda::Function.ReservedConcurrentExecutions": "Each function has processes of its own here.",
    "AWS::Lambda::Function.Runtime": "The interpreter that the local cloud was given, 3.11 or later.",
    "AWS::Lambda::Function.Tags": "Tags are for the bill.",
    "AWS::Lambda::Function.TracingConfig": "There is no X-Ray.",
    "AWS::Lambda::LayerVersion.CompatibleArchitectures": "The laptop's own.",
    "AWS::Lambda::LayerVersion.CompatibleRuntimes": "The interpreter that the local cloud was given.",
    "AWS::Lambda::LayerVersion.Description": "For people.",
    "AWS::Lambda::LayerVersion.LayerName": "Layers are found by their ARN.",
    "AWS::Logs::LogGroup.Tags": "Tags are for the bill.",
    "AWS::S3::Bucket.Tags": "Tags are for the bill.",
    "AWS::SQS::Queue.SqsManagedSseEnabled": "Nothing is on disk.",
    "AWS::SQS::Queue.Tags": "Tags are for the bill.",
    "AWS::SSM::Parameter.Description": "For people.",
    "AWS::SSM::Parameter.Tags": "Tags are for the bill.",
    "AWS::StepFunctions::StateMachine.Tags": "Tags are for the bill.",
    "AWS::StepFunctions::StateMachine.TracingConfiguration": "There is no X-Ray.",
}
